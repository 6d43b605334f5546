"""
A strict, deterministic stand-in for the Messages API, for tests, demos and benchmarks.

`create_simulator()` is an ASGI application with `POST /v1/messages`, `GET /v1/models`,
`GET /v1/models/{id}` and a native `POST /v1/complete`. It refuses what the real API
refuses, in the recorded words, and shares no code with `translators` or the rest of
`proxy`: it must be able to disagree with them. Its own pages are `/simulator/health`
and `/simulator/requests` (GET: what arrived, oldest first; DELETE: forget it).

    api              route, key, endpoint, faults, delivery: the order of things
    *_endpoint       one per path; *_requests and *_rules check, *_wire writes
    misbehaviour     the headers below; faults and delivery obey them
    journal          what arrived and how it ended

A request may ask for misbehaviour. Counts start at 0; a JSON value may have anything
`\\u`-escaped. Any other `simulate-` header, or a value that makes no sense, is a 400.
A request is checked first: what is wrong with it wins over what it asks to see.

What is answered:

    simulate-text                 JSON string: the text, instead of a sentence quoting the user
    simulate-deltas               JSON array of strings: the text, in exactly these deltas
    simulate-blocks               JSON array: a string is a text block, an object goes as it is
    simulate-blocks-before        of thinking, redacted_thinking, fallback, unknown: a list of
                                  blocks before the text
    simulate-repeat               the text or the deltas so many times, for long answers
    simulate-delta-size           characters per delta, instead of two words
    simulate-empty                1: content is []
    simulate-echo-prefill         1: the answer begins with the text it should continue
    simulate-thinking-tokens      how long a model thinks that thinks
    simulate-stop-reason          any word; refusal brings its stop_details
    simulate-stop-sequence        JSON string
    simulate-stop-details         JSON object

Errors (answered instead; in whole answers also where a place in the stream is given):

    simulate-error                400 to 599, with the type and text that belong to it
    simulate-error-type           another error.type
    simulate-error-message        JSON string: another error.message
    simulate-error-code           error.details.error_code
    simulate-error-shape          api | cloudflare | html | empty | null-request-id
    simulate-error-after-events   in the stream, after so many events; 529 if no status is given
    simulate-error-after-deltas   in the stream, before the text delta with this number
    simulate-status               this status, whatever the body says
    simulate-retry-after          that header
    simulate-should-retry         true | false, as x-should-retry

Events of a stream:

    simulate-pings                how many come after the first content_block_start
    simulate-unknown-events       1: events of a type nobody knows, here and there
    simulate-comments             1: a comment before every event
    simulate-newline              lf | crlf | cr
    simulate-end-after-events     ends well after so many events: no message_stop
    simulate-trailing-junk        1: `event: data`, `data: [DONE]` after the last event
    simulate-invalid-utf8         1: two stray bytes in the first text delta

Bytes and connections:

    simulate-form                 whole | stream, whatever the request asks for
    simulate-content-type         that header
    simulate-truncate-body        whole answers: only so many bytes, with a matching length
    simulate-break-after-bytes    the connection breaks off after so many bytes
    simulate-break-after-events   streams: breaks off after so many events
    simulate-write                at most so many bytes per write
    simulate-one-write            1: all events in one write
    simulate-gzip                 1: compressed, whatever was accepted

Time, in milliseconds, 60,000 at most:

    simulate-delay-headers        before anything is sent
    simulate-delay-first-event    streams: after the headers
    simulate-delay-events         streams: between writes
    simulate-hang-after-events    streams: silence after so many events, then a broken connection
    simulate-hang-for             how long that silence lasts, if not 60,000

Strictness:

    simulate-strict-alternation   1: refuse turns of one role in a row, as partner clouds may
"""

from proxy.simulator.app import create_simulator

__all__ = ["create_simulator"]
