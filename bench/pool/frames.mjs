// The least that tasks over a socket need: all results of one turn of the event loop are one
// JSON list of [id, value] in one frame. No queue, no recovery, no limits, no other values.
const HEADER_BYTES = 4;

/** One frame. */
export function frameOf(entries) {
  const text = JSON.stringify(entries);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + text.length);
  frame.writeUInt32LE(text.length, 0);
  frame.latin1Write(text, HEADER_BYTES);
  return frame;
}

/** A listener for `data` that calls `each` with the entries of every frame. */
export function cutFrames(each) {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (bytes.length - at >= HEADER_BYTES) {
      const end = at + HEADER_BYTES + bytes.readUInt32LE(at);
      if (end > bytes.length) break;
      each(JSON.parse(bytes.latin1Slice(at + HEADER_BYTES, end)));
      at = end;
    }
    rest = bytes.subarray(at);
  };
}
