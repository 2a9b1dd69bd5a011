#!/usr/bin/env node
// The npm compiler behind the interface of a native solc: `--version`, and `--standard-json` from stdin to stdout.
// usage: node solc-wrapper.js NODE_MODULES --version | --standard-json
"use strict";
const path = require("path");

const solc = require(path.join(path.resolve(process.argv[2]), "solc"));
if (process.argv.includes("--version")) {
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
} else {
  process.stdout.write(solc.compile(require("fs").readFileSync(0, "utf8")));
}
