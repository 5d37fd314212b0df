// The page: four panes on one channel, a publish box, and the figure that compares them.

import { Announcer } from "./announce.ts";
import { Backoff, pause } from "./backoff.ts";
import { ServerClock, WallClock } from "./clock.ts";
import { find, Repaint, setText } from "./dom.ts";
import { longPolling } from "./longpolling.ts";
import { EventNames } from "./names.ts";
import { readPage } from "./page.ts";
import { Pane, type Shared } from "./pane.ts";
import { PaneView } from "./paneview.ts";
import { polling } from "./polling.ts";
import { Publisher } from "./publisher.ts";
import { PublishForm } from "./publishform.ts";
import { RaceRow } from "./race.ts";
import { serverSentEvents } from "./sse.ts";
import type { Transport } from "./transport.ts";
import { webSocket } from "./websocket.ts";
import { Problem, type Page } from "./wire.ts";

interface Kind {
  id: string;
  title: string;
  how: string;
  transport: (names: EventNames) => Transport;
}

const kinds: Kind[] = [
  { id: "polling", title: "Polling", how: "asks every second", transport: () => polling },
  { id: "longpolling", title: "Long polling", how: "asks, and the answer waits", transport: () => longPolling },
  { id: "sse", title: "SSE", how: "EventSource, one response kept open", transport: serverSentEvents },
  { id: "websocket", title: "WebSocket", how: "one socket, one frame per message", transport: () => webSocket },
];

const wall = new WallClock();
const server = new ServerClock();
const announcer = new Announcer(find(document, "#announce"));
const rows = kinds.map((k) => new RaceRow(find(document, "#race"), k.id, k.title));
const views = kinds.map((k) => new PaneView(find(document, "#panes"), k.id, k.title, k.how));
let panes: Pane[] = [];
let publisher: Publisher | undefined;

const repaint = new Repaint(() => {
  panes.forEach((pane, i) => {
    views[i]?.paint();
    rows[i]?.show(pane);
    announcer.look(kinds[i]?.title ?? "", pane);
  });
});

/** Where all panes of a channel start: one poll tells the position, and what is kept. */
function startOf(channel: string): Promise<Page> {
  const params = { since: "last=10", limit: "10" };
  return readPage({ channel, params, signal: AbortSignal.timeout(10_000) }).then((answer) => {
    if (!answer.page) throw new Error("the server answered without a page");
    return answer.page;
  });
}

/** Joins a channel with all panes. @throws when the channel cannot be read; the panes stay where they were. */
async function join(channel: string): Promise<void> {
  const start = await startOf(channel);
  for (const pane of panes) pane.end();
  publisher = new Publisher(channel, wall, server);
  const shared: Shared = { publisher, names: new EventNames(), wall, server };
  for (const m of start.messages) shared.names.learn(m.event, false);
  form.onDraft = (d) => shared.names.learn(d.event, false);
  panes = kinds.map((k) => new Pane(channel, start.position, k.transport(shared.names), shared, () => repaint.ask()));
  panes.forEach((pane, i) => {
    for (const m of start.messages) pane.earlier(m);
    views[i]?.attach(pane);
    pane.open();
  });
  showChannel(channel);
}

function showChannel(channel: string): void {
  const url = new URL(location.href);
  url.searchParams.set("channel", channel);
  history.replaceState(null, "", url);
  setText(find(document, "#curl"), `curl -d hello ${location.origin}/v1/channels/${channel}/messages`);
}

const form = new PublishForm(find<HTMLFormElement>(document, "#publish"), find(document, "#outcome"), {
  join,
  publish: async (drafts) => {
    if (!publisher) throw new Error("the server has not been reached yet");
    await publisher.publish(drafts);
    repaint.ask(); // a pane that is cut hears nothing of it, and shows how much waits
  },
});

/** The first join. The page may have been open before the server was: keep trying. */
async function begin(): Promise<void> {
  const backoff = new Backoff();
  for (;;) {
    try {
      return await form.joinChannel();
    } catch (err) {
      if (err instanceof Problem && !err.worthRetrying) return; // the form has said what is wrong with the name
    }
    await pause(backoff.next(), new AbortController().signal);
  }
}

form.channel = new URL(location.href).searchParams.get("channel") ?? "demo";
void begin();
