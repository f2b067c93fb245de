/** Answers with what was posted, as it comes. */
export function POST(request) {
  return new Response(request.body, {
    headers: { "Content-Type": request.headers.get("content-type") ?? "application/octet-stream" },
  });
}
