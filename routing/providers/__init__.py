"""The adapters: a `Request` in, an `Answer` or `Failed` out. Pure of Django; see `base.Adapter` for what each promises.

base        Endpoint (where and with what), the Adapter protocol
registry    adapter_for(kind), lane_for(kind, raw), close_all()
anthropic   Anthropic's Messages, over its SDK
openai      OpenAI's Chat Completions and every server that is compatible with it, over the SDK
simulated   no provider at all; labelled so everywhere
profiles    how each model behaves when it is simulated
pool        the SDKs' HTTP clients, kept per event loop; transport takes their requests over http1
oauth       a token from an OAuth 2.0 token endpoint
exchange    one HTTP exchange of an SDK: timeouts, size limit, JSON
anthropic_request, openai_request   a request as each wire's body; openai_embeddings the same for embeddings
sse         the events of a streamed answer; anthropic_stream and openai_stream put them together
chat        a conversation in Chat Completions' form
thinking    how much to think, in tokens and in each vendor's words
relay       the client's own bytes to a provider of its wire; relay_body, relay_headers, relay_reading and relay_stream are its parts
http1       HTTP/1.1 to providers, http1_head its requests; http1_pool its connections, kept per event loop and upstream
errors      whatever went wrong there → Fault
"""
