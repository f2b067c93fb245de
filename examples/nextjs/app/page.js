import Link from "next/link";

export default function Page() {
  return (
    <main>
      <h1>Next.js is up</h1>
      <p>
        <Link href="/dashboard">A page that streams</Link>, and <a href="/api/tokens">a route that does</a>.
      </p>
      {/* eslint-disable-next-line @next/next/no-img-element -- the file as it is */}
      <img src="/logo.png" alt="" width="64" />
    </main>
  );
}
