// What ONNX Runtime makes of a file: node onnxruntime.js FILE.onnx INPUT.npy OUTPUT.npy
// Needs the package onnxruntime-node, where NODE_PATH says.
const fs = require("fs");
const ort = require("onnxruntime-node");

function readNpy(path) {
  const bytes = fs.readFileSync(path);
  const size = bytes.readUInt16LE(8);
  const header = bytes.toString("latin1", 10, 10 + size);
  const dims = header.match(/\(([^)]*)\)/)[1].split(",").filter((s) => s.trim()).map(Number);
  const data = bytes.subarray(10 + size);
  return { dims, data: new Float32Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.length)) };
}

function writeNpy(path, dims, data) {
  let header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dims.join(", ")},), }`;
  header = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + "\n";
  const head = Buffer.alloc(10);
  head.write("\x93NUMPY\x01\x00", 0, "latin1");
  head.writeUInt16LE(header.length, 8);
  fs.writeFileSync(path, Buffer.concat([head, Buffer.from(header), Buffer.from(data.buffer, data.byteOffset, data.byteLength)]));
}

async function main() {
  const [file, input, output] = process.argv.slice(2);
  const x = readNpy(input);
  const session = await ort.InferenceSession.create(file, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const results = await session.run({ [session.inputNames[0]]: new ort.Tensor("float32", x.data, x.dims) });
  const y = results[session.outputNames[0]];
  writeNpy(output, y.dims.map(Number), y.data);
}

main().catch((error) => {
  console.error(String(error));
  process.exit(1);
});
