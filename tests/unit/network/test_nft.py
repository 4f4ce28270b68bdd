from app.network.nft import Count, carry_over, first_error, with_deadlines
from app.network.plan import TimedElement

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


def element(deadline, key="02:00:00:00:00:01"):
    return TimedElement("exception", (key,), 0x1003, deadline)


def test_element_is_loaded_with_the_time_that_is_left():
    text = TEXT + element(1030.5).text + element(999.0, "02:00:00:00:00:02").text + element(1000.0).text
    line = "add element inet vpn_gateway exception { 02:00:00:00:00:01 timeout 30s500ms : 0x1003 }\n"
    assert with_deadlines(text, 1000.0) == TEXT + line  # and those that are over are left out
    assert with_deadlines(text, 1030.6) == TEXT
    assert with_deadlines(carry_over(text, {"drop_a": Count(1, 2)}), 2000.0).count("packets 1") == 1
