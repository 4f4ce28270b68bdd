/** Chooses a server or a place of one provider: search, filters, favourites, recent ones, and the whole list. */

import { EmptyState } from "../../components/empty_state.js";
import { SearchField } from "../../components/search_field.js";
import { VirtualList } from "../../components/virtual_list.js";
import { commonPlace, found, itemsOf, placedOf, quickest, serverItem, totalsOf } from "../../lib/servers.js";
import { fastestIn } from "../../lib/target.js";
import { say } from "../../messages/messages.js";
import { preferences } from "../../store/gateway.js";
import { locale } from "../../store/preferences.js";
import { lists, refreshServers } from "../../store/servers.js";
import { html, useComputed, useEffect, useSignal } from "../../ui.js";
import { AnyRow } from "./any_row.js";
import { Filters } from "./filters.js";
import { NoServers } from "./no_servers.js";
import { PlaceRow } from "./place_row.js";
import { ServerMap } from "./server_map.js";
import { ServerRow } from "./server_row.js";

/** @import { Filter, Item, Order, Placed } from "../../lib/servers.js" */
/**
 * @template T
 * @typedef {import("../../vendor/signals.js").Signal<T>} Signal
 */

/** @type {Filter} */
const ALL = { owned: false, features: new Set() };

/**
 * The fastest and any server of what was found. The gateway chooses by place alone, so that a filter names the server.
 *
 * @param {Placed[]} servers
 * @param {boolean} filtered
 * @param {boolean} searching
 * @returns {Item[]}
 */
function anyItems(servers, filtered, searching) {
  const best = quickest(servers);
  if (filtered && !best) return [];
  const common = searching ? commonPlace(servers) : null;
  if (servers.length < 2 || (searching && !common && !filtered)) return [];
  const place = common && (common.city ?? common.countryName);
  const where = common ? fastestIn(common.country, common.city ?? undefined) : "fastest";
  const target = filtered && best ? best.server.hostname : where;
  /** @type {Item} */
  const fastest = { kind: "any", key: "fastest", how: "fastest", target, place, best };
  if (filtered) return [fastest];
  return [fastest, { ...fastest, key: "random", how: "random", target: where.replace("fastest", "random") }];
}

/**
 * The favourites or recent ones that are in the list, under a title.
 *
 * @param {"favourites" | "recent"} of
 * @param {string[]} names
 * @param {Map<string, Placed>} known
 * @returns {Item[]}
 */
function marked(of, names, known) {
  const placed = names.flatMap((name) => known.get(name) ?? []);
  return placed.length ? [{ kind: "title", key: of, of }, ...placed.map((each) => serverItem(each, false, of))] : [];
}

/**
 * @param {{
 *   provider: string;
 *   used: string | null;
 *   label: string;
 *   search: Signal<string>;
 *   choose: (target: string) => Promise<unknown>;
 *   serversOnly?: boolean;
 *   mapped?: boolean;
 * }} props `used` is the server in use; with `serversOnly` a place is only opened.
 */
export function Chooser({ provider, used, label, search, choose, serversOnly = false, mapped = false }) {
  const shown = useSignal(provider);
  const filter = useSignal(ALL);
  const order = useSignal(/** @type {Order} */ ("name"));
  const open = useSignal(/** @type {ReadonlySet<string>} */ (new Set()));
  shown.value = provider;
  useEffect(() => {
    refreshServers(provider);
    filter.value = ALL;
    order.value = "name";
  }, [provider]);

  const all = useComputed(() => {
    const list = lists.value[shown.value];
    return list && placedOf(list, locale.value);
  });
  const known = useComputed(() => new Map((all.value ?? []).map((each) => [each.server.hostname, each])));
  const totals = useComputed(() => totalsOf(all.value ?? []));
  const matches = useComputed(() => found(all.value ?? [], search.value, filter.value));
  const favourites = useComputed(() => new Set(ofProvider(preferences.value?.favourites ?? [], shown.value)));
  const items = useComputed(() => {
    const searching = search.value.trim() !== "";
    const filtered = filter.value !== ALL && (filter.value.owned || filter.value.features.size > 0);
    const plain = !searching && !filtered && order.value === "name";
    const rows = itemsOf(matches.value, {
      order: order.value,
      open: open.value,
      searching,
      language: locale.value,
      totals: totals.value,
    });
    const recent = ofProvider(preferences.value?.recent ?? [], shown.value).filter(
      (each) => !favourites.value.has(each),
    );
    const own = plain
      ? [...marked("favourites", [...favourites.value], known.value), ...marked("recent", recent, known.value)]
      : [];
    /** @type {Item[]} */
    const title = own.length ? [{ kind: "title", key: "all", of: "all" }] : [];
    const any = serversOnly ? [] : anyItems(matches.value, filtered, searching);
    return [...any, ...own, ...title, ...rows];
  });

  function toggle(/** @type {string} */ key) {
    const opened = new Set(open.value);
    if (!opened.delete(key)) opened.add(key);
    open.value = opened;
  }
  function row(/** @type {Item} */ item) {
    switch (item.kind) {
      case "any":
        return html`<${AnyRow} item=${item} choose=${choose} />`;
      case "title":
        return html`<h2 class="choice-title">${TITLES[item.of]()}</h2>`;
      case "place":
        return html`<${PlaceRow}
          item=${item}
          choose=${serversOnly ? null : choose}
          toggle=${item.fixed ? null : () => toggle(item.key)}
        />`;
      case "server":
        return html`<${ServerRow}
          provider=${provider}
          placed=${item.placed}
          deep=${item.deep}
          used=${item.placed.server.hostname === used}
          favourite=${favourites.value.has(item.placed.server.hostname)}
          choose=${choose}
        />`;
    }
  }

  if (!all.value) return html`<p class="hint" role="status">${say("servers.loading")}</p>`;
  if (!all.value.length) return html`<${NoServers} provider=${provider} />`;
  return html`<div class="chooser">
    <div class="search sticky">
      <${SearchField}
        label=${say("servers.search")}
        value=${search.value}
        change=${(/** @type {string} */ text) => {
          search.value = text;
        }}
        press=${toList}
      />
    </div>
    <${Filters}
      all=${all.value}
      filter=${filter.value}
      order=${order.value}
      narrow=${(/** @type {Filter} */ chosen) => {
        filter.value = chosen;
      }}
      sort=${(/** @type {Order} */ chosen) => {
        order.value = chosen;
      }}
    />
    ${
      mapped &&
      html`<${ServerMap}
        servers=${matches.value}
        used=${used}
        pick=${(/** @type {string} */ place) => {
          search.value = place;
        }}
      />`
    }
    <p class="hint" role="status">${say("servers.count", { count: matches.value.length })}</p>
    ${
      matches.value.length
        ? html`<${VirtualList} items=${items.value} label=${label} row=${row} />`
        : html`<${EmptyState} icon="globe" title=${say("servers.none_found")}>${say("servers.none_found_next")}<//>`
    }
  </div>`;
}

const TITLES = {
  favourites: () => say("servers.favourites"),
  recent: () => say("servers.recent"),
  all: () => say("servers.all"),
};

/** @param {string[]} names "provider/hostname" @param {string} provider */
const ofProvider = (names, provider) =>
  names.filter((each) => each.startsWith(`${provider}/`)).map((each) => each.slice(provider.length + 1));

/** @param {KeyboardEvent & { currentTarget: HTMLInputElement }} event Down goes from the search to the list. */
function toList({ key, currentTarget }) {
  const first = currentTarget.closest(".chooser")?.querySelector(".virtual button");
  if (key === "ArrowDown" && first instanceof HTMLElement) first.focus();
}
