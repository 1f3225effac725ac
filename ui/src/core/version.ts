/** The release: that of the Python package which brings the page along. */
export { version as VERSION } from "../../package.json";
