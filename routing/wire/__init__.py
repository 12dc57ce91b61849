"""The wires that clients speak: a body in, a `Request` out; an `Answer` or its events in, the wire's own words out. Pure of Django.

base        the interface of a wire (read, answer, Stream, error) and what passes through it: Asked, Told, Unreadable
chat        OpenAI's Chat Completions; responses its Responses; messages Anthropic's Messages; embeddings OpenAI's Embeddings
*_reading, *_streaming, *_output, responses_items, responses_tools   the parts of each
*_glance    the same body told without reading the conversation, for what is relayed; glancing is what they share
openai      what OpenAI's wires have in common
fields      a place in a body that knows its path
sse         one server-sent event
ignored     the fields that a translated request leaves out
seals       thinking of one provider, carried through a client of another wire and back

Between the wires everything passes that both can say. What only the client's own wire can say is a need (`Asked.bound`): a provider
of another wire is then skipped with that reason.
"""
