// The page's head and the fallbacks leave at once; each part follows as soon as it is there, in the same response.
import { Suspense } from "react";

import { Part } from "./part";

// Rendered for each request, and not once at the build.
export const dynamic = "force-dynamic";

const PARTS = [
  { name: "orders", delayMs: 250 },
  { name: "stock", delayMs: 500 },
  { name: "weather", delayMs: 750 },
  { name: "news", delayMs: 1000 },
];

export default function Dashboard() {
  return (
    <main>
      <h1>Dashboard</h1>
      {PARTS.map((part) => (
        <Suspense key={part.name} fallback={<p>Waiting for {part.name}</p>}>
          <Part {...part} />
        </Suspense>
      ))}
    </main>
  );
}
