/* attack: none: Node with WebAssembly, which reserves much more than it uses
 * verdict: OK
 * outside: nothing changes
 * limits: memory=64M cpu=20s wall=60s */
const adder = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 5, 3, 1, 0, 16, 7,
  7, 1, 3, 115, 117, 109, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11);
WebAssembly.instantiate(adder).then(({ instance }) => {
  process.exit(instance.exports.sum(2, 3) === 5 ? 0 : 1);
});
