import { setTimeout as sleep } from "node:timers/promises";

/** A part of the page that takes its time, as one does that asks a database. */
export async function Part({ name, delayMs }) {
  await sleep(delayMs);
  return <p>{`The ${name} took ${delayMs} ms.`}</p>;
}
