from app.network.nft import Count, carry_over, fingerprint, first_error

TEXT = """table inet vpn_gateway { }
delete table inet vpn_gateway
table inet vpn_gateway {
\tcounter drop_a { }
\tcounter drop_b { }
\tchain c {
\t\tcounter name "drop_a" drop
\t}
}
"""


def test_counters_start_at_the_values_of_the_last_table():
    found = carry_over(TEXT, {"drop_a": Count(7, 700), "drop_gone": Count(1, 1)})
    assert "\tcounter drop_a { packets 7 bytes 700 }\n" in found
    assert found.replace(" packets 7 bytes 700", "") == TEXT
    assert carry_over(TEXT, {}) == TEXT


def test_first_error_shows_only_its_line():
    problem = "/dev/stdin:7:3-9: Error: No such file or directory; did you mean counter?\n\t\tcounter\n\t\t^^^^^^^\n"
    found = first_error(TEXT, problem, 1)
    assert found == 'No such file or directory; did you mean counter? in line 7: counter name "drop_a" drop'
    assert first_error(TEXT, "", 3) == "exit status 3"
    assert first_error(TEXT, "/dev/stdin:99:1-2: Error: odd", 1) == "odd"
    assert first_error(TEXT, "netlink: Error: cache initialization failed", 1) == "cache initialization failed"
    assert len(first_error("x" * 10_000, f"/dev/stdin:1:1-2: Error: {'y' * 10_000}", 1)) < 400


def table(elements, *, handle=1, packets=0, policy="drop", values=("a", "b")):
    return [
        {"metainfo": {"version": "1.1"}},
        {"table": {"family": "inet", "name": "t", "handle": handle}},
        {"counter": {"name": "n", "handle": handle + 1, "packets": packets, "bytes": packets * 9}},
        {"set": {"name": "s", "handle": handle + 2, "elem": elements}},
        {"chain": {"name": "c", "policy": policy}},
        {
            "rule": {
                "handle": handle,
                "expr": [{"match": {"right": {"set": list(values)}}}, {"counter": {"bytes": packets}}],
            }
        },
    ]


def test_fingerprint_ignores_handles_counts_and_element_order():
    first = fingerprint(table(["x", "y"]))
    assert first == fingerprint(table(["y", "x"], handle=50, packets=9, values=("b", "a")))
    others = [table(["x"]), table(["x", "y"], policy="accept"), table(["x", "y"], values=("a",)), table([])[:3], None]
    assert len({first, *map(fingerprint, others)}) == 1 + len(others)


def test_fingerprint_depends_on_the_order_of_rules():
    rules = [{"rule": {"expr": [{"accept": None}]}}, {"rule": {"expr": [{"drop": None}]}}]
    assert fingerprint(rules) != fingerprint(rules[::-1])
