// Work that goes on behind the response. Lambda freezes an environment once it has answered; this tells the adapter to
// hold it until the work is done. Where there is no adapter, there is nobody to tell.
const CONTROL = process.env.STREAMGATE_CONTROL;

/** Starts `work`, which may outlast the response to `req`. Wait for this before you send the response. */
export async function inBackground(req, work) {
  const token = req.headers["x-streamgate-token"];
  const tell = async (path) => {
    if (!CONTROL || !token) return;
    await fetch(`http://${CONTROL}${path}`, { method: "POST", headers: { "x-streamgate-token": token } });
  };
  await tell("/background");
  Promise.resolve()
    .then(work)
    .catch((error) => console.error(error))
    .then(() => tell("/background/done"))
    .catch((error) => console.error(error));
}
