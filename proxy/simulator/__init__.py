"""
A strict, deterministic simulator of the API, to rehearse a migration without a real upstream.

**What it plays.** `POST /v1/messages`, `GET /v1/models`, `GET /v1/models/{id}` and the
native `POST /v1/complete`, with the status codes, error texts, headers and event streams
that were recorded from the real API. Two pages are its own: `GET /simulator/health`, and
`/simulator/requests` (GET lists the requests received, oldest first; DELETE clears the list).

**How to start it.** `holdover simulate` serves it on port 9000 (`--legacy` brings the models
of `/v1/complete` back), and `holdover demo` and `holdover replay --demo` start one themselves.
Tests serve the ASGI application that `create_simulator()` returns.

**What it refuses.** Whatever the real API refuses, with the recorded message: a missing or
invalid key (here: any key that contains `invalid`), version or beta, unknown and invalid
fields, empty text, retired models, and parameters that a model does not take. It shares no
code with `translators` or the rest of `proxy`, so that it can disagree with them.

**What faults it can play.** The faults below, for each request that asks for them in headers.

    api                 the order of the steps: route, key, endpoint, faults, delivery
    *_endpoint          one module per path
    *_requests, *_checks, authentication
                        validation of requests
    generation          the answer as a value; *_wire encodes it
    fault_headers       the headers below; fault_injection and delivery act on them
    request_log         the requests received and the outcome of each

Positions and counts start at 0. JSON values may use `\\u` escapes, since headers carry no
other Unicode text. An unknown `simulate-` header or an invalid value is answered with a 400.
An invalid request is refused as usual, even if it asks for a fault.

Content of the answer:

    simulate-text                 JSON string: the text, instead of a sentence quoting the user
    simulate-deltas               JSON array of strings: the text, in exactly these deltas
    simulate-blocks               JSON array: strings become text blocks, objects are sent as is
    simulate-blocks-before        comma-separated blocks to put before the text: thinking,
                                  redacted_thinking, fallback, unknown
    simulate-repeat               repeat the text or the deltas N times, for long answers
    simulate-delta-size           characters per delta (default: two words)
    simulate-empty                1: content is []
    simulate-echo-prefill         1 or all: repeat the prefill at the beginning of the answer;
                                  words: its last few; quoted: those, between marks;
                                  wrapped, indented: in other white space
    simulate-thinking-tokens      thinking tokens used, if the model thinks
    simulate-stop-reason          any word; refusal comes with its stop_details
    simulate-stop-sequence        JSON string
    simulate-stop-details         JSON object

Errors (sent instead of an answer; whole answers ignore the position in the stream):

    simulate-error                400 to 599, with the error type and message of that status
    simulate-error-type           a different error.type
    simulate-error-message        JSON string: a different error.message
    simulate-error-code           error.details.error_code
    simulate-error-shape          api | cloudflare | html | empty | null-request-id
    simulate-error-after-events   in a stream, after N events; 529 unless simulate-error is given
    simulate-error-after-deltas   in a stream, before text delta N
    simulate-status               HTTP status, regardless of the body
    simulate-retry-after          value of the retry-after header
    simulate-should-retry         true | false: value of the x-should-retry header

Events of a stream:

    simulate-pings                number of pings after the first content_block_start
    simulate-unknown-events       1: insert events of an unknown type
    simulate-comments             1: send a comment before every event
    simulate-newline              lf | crlf | cr
    simulate-end-after-events     end properly after N events, without message_stop
    simulate-trailing-junk        1: `event: data`, `data: [DONE]` after the last event
    simulate-invalid-utf8         1: two invalid bytes in the first text delta

Bytes and connections:

    simulate-form                 whole | stream, regardless of what the request asks for
    simulate-content-type         value of the content-type header
    simulate-truncate-body        whole answers: send only N bytes, with a matching length
    simulate-break-after-bytes    close the connection after N bytes
    simulate-break-after-events   streams: close the connection after N events
    simulate-write                at most N bytes per write
    simulate-one-write            1: send all events in one write
    simulate-gzip                 1: compress, even if the client does not accept gzip

Time, in milliseconds, 60,000 at most:

    simulate-delay-headers        pause before anything is sent
    simulate-delay-first-event    streams: pause after the headers
    simulate-delay-events         streams: pause between writes
    simulate-hang-after-events    streams: stop sending after N events, later close the connection
    simulate-hang-for             length of that silence (default: 60,000)

Strictness:

    simulate-strict-alternation   1: refuse consecutive turns of one role, as partner clouds may
"""

from proxy.simulator.app import create_simulator

__all__ = ["create_simulator"]
