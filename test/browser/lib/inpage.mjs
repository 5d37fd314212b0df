// Functions that run inside the page, with the browser's own EventSource and WebSocket and nothing of ours around them.
// Each is sent as text, so it may use only its argument and window.links.

/** @typedef {{ id: string, data: string }} Got */
/** @typedef {{ got: Got[], gaps: string[], errors: number, opens: number, state: number }} SourceState */
/** @typedef {{ frames: any[], code: number | undefined, state: number }} SocketState */

/** Opens an EventSource and keeps what it dispatches. @param {{ name: string, url: string, events?: string[] }} arg */
export function openSource({ name, url, events = [] }) {
  const state = { got: [], gaps: [], errors: 0, opens: 0 };
  const source = new EventSource(url);
  const take = (e) => state.got.push({ id: e.lastEventId, data: e.data });
  source.onopen = () => state.opens++;
  source.onerror = () => state.errors++;
  source.onmessage = take;
  for (const event of events) source.addEventListener(event, take);
  source.addEventListener("todoke.gap", (e) => state.gaps.push(e.data));
  window.links ??= {};
  window.links[name] = { look: () => ({ ...state, state: source.readyState }), close: () => source.close() };
}

/** Opens a WebSocket and keeps its frames. @param {{ name: string, url: string }} arg */
export function openSocket({ name, url }) {
  const state = { frames: [], code: undefined };
  const target = new URL(url, location.href);
  target.protocol = "ws:";
  const socket = new WebSocket(target);
  socket.onmessage = (e) => state.frames.push(JSON.parse(e.data));
  socket.onclose = (e) => (state.code = e.code);
  window.links ??= {};
  window.links[name] = {
    look: () => ({ ...state, state: socket.readyState }),
    send: (frame) => socket.send(JSON.stringify(frame)),
    close: () => socket.close(),
  };
}

/** @param {string} name */
export function look(name) {
  return window.links[name].look();
}

/** @param {{ name: string, frame: object }} arg */
export function send({ name, frame }) {
  window.links[name].send(frame);
}

/** @param {string} name */
export function closeLink(name) {
  window.links[name].close();
}
