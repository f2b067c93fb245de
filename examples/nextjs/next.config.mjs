/** @type {import("next").NextConfig} */
export default {
  // A server with just the packages that it uses, in .next/standalone.
  output: "standalone",
  outputFileTracingRoot: import.meta.dirname,
  poweredByHeader: false,
  // Compression would have to wait for more than a word before it has something to send; the adapter can do it instead.
  compress: false,
};
