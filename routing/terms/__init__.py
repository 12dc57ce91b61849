"""The vocabulary: words (StrEnums) and the frozen values that every floor above speaks in. Pure of Django.

words     the closed lists: roles, statuses, error kinds, skip reasons, proposal kinds …
request   what a caller asks for, in no provider's dialect: Ask (routing facts), Request (the prompt), Usage, Answer
embedding what a caller of embeddings asks for and gets
candidate one model with the credential that would serve it, and one that was skipped, with the reason
fault     what went wrong in one attempt, as a value and as the exception that carries it
event     what a streaming adapter yields
raw       a request and an answer as they came, where client and provider speak the same wire
secret    a credential's material, which nothing prints
record    the two lines of the spool (intent, outcome) and the rows they become
"""
