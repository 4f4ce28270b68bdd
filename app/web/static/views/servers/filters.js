/** What the list is narrowed to and ordered by: owned servers, features, name, latency, load. */

import { Button } from "../../components/button.js";
import { say } from "../../messages/messages.js";
import { html } from "../../ui.js";
import { featureName } from "./server_row.js";

/** @import { Filter, Order, Placed } from "../../lib/servers.js" */

/** @param {Placed[]} all */
function offered(all) {
  const features = [...new Set(all.flatMap(({ server }) => server.features))].sort();
  return {
    features,
    owned: all.some(({ server }) => server.owned),
    load: all.some(({ server }) => server.load !== null),
  };
}

/**
 * @param {{
 *   all: Placed[];
 *   filter: Filter;
 *   order: Order;
 *   narrow: (filter: Filter) => void;
 *   sort: (order: Order) => void;
 * }} props
 */
export function Filters({ all, filter, order, narrow, sort }) {
  const { features, owned, load } = offered(all);
  const toggled = (/** @type {string} */ feature) => {
    const chosen = new Set(filter.features);
    if (!chosen.delete(feature)) chosen.add(feature);
    return { ...filter, features: chosen };
  };
  /** @type {[Order, string][]} */
  const orders = [
    ["name", say("servers.by_name")],
    ["latency", say("servers.by_latency")],
  ];
  if (load) orders.push(["load", say("servers.by_load")]);
  return html`<div class="chips filters">
    <select
      class="menu"
      aria-label=${say("servers.order")}
      value=${order}
      onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ { currentTarget }) => sort(/** @type {Order} */ (currentTarget.value))}
    >
      ${orders.map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}
    </select>
    ${owned && html`<${Button} pressed=${filter.owned} action=${() => narrow({ ...filter, owned: !filter.owned })}>${say("servers.owned")}<//>`}
    ${features.map(
      (each) =>
        html`<${Button} key=${each} pressed=${filter.features.has(each)} action=${() => narrow(toggled(each))}>${featureName(each)}<//>`,
    )}
  </div>`;
}
