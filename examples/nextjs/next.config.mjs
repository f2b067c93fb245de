/** @type {import("next").NextConfig} */
export default {
  // A server with just the packages that it uses, in .next/standalone.
  output: "standalone",
  outputFileTracingRoot: import.meta.dirname,
  poweredByHeader: false,
};
