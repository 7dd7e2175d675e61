/** The library face: what a program that embeds the runtime may rely on. */
export { RuntimeError } from './core/errors.js';
