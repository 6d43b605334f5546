from structlog.testing import capture_logs

from proxy.server.connection.throttled_log import ThrottledLog


def test_of_many_lines_in_a_minute_one_is_written_and_the_others_are_counted():
    now = 100.0
    flood = ThrottledLog("flood", limit=5, clock=lambda: now)
    with capture_logs() as lines:
        for _ in range(1000):
            flood.warning(reason="why")
        now += 60
        flood.warning()

    assert lines == [
        {"event": "flood", "log_level": "warning", "count": 1, "limit": 5, "reason": "why"},
        {"event": "flood", "log_level": "warning", "count": 1000, "limit": 5},
    ]
