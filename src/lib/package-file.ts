// Two levels up is the package, from `src/lib`, from `dist/lib`, and from the chunks in `dist/command`.
const ROOT = new URL('../../', import.meta.url);

/** A file of this package, wherever the code that asks was bundled to. @param path from the root of the package. */
export const packageFile = (path: string): URL => new URL(path, ROOT);
