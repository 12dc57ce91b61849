"""Deciding, as functions of data: pure of Django, without a clock, a database or chance of its own.

table     the routing table as `plan` reads it
health    what rests, is broken, full or spent: the other half of what a plan depends on
resolve   what a caller's words mean: a task type, a model
steps     the route of a call and its whole chain, before anybody asked what is available
plan      candidates in order, and why each other model is not one
moments   a moment in a sentence
warnings  what is odd about a route without stopping it
availability  whether a model can be called now
curve     the degradation curve: which models may serve at today's usage
thrift    what a budget whose limit is reached leaves: the cheaper models
purse     what a process holds of a budget, and how much it may take
chain     the tier chain: other providers, then the lower tier, then the API key
draw      a work item's number in [0, 1), its arm and the probability of that
errors    what follows from a fault: the next candidate, and what rests
circuit   the circuit's state machine
cost      what a usage costs
"""
