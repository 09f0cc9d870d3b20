"""An HTTP server in front of channels that serves only what the policy accepts, to any client.

    paths        what a request's path names; everything else is not there
    gate         the verdict on a package that a channel lists
    index_files  repodata.json and its twins, without the records that the policy rejects
    shard_files  CEP 16 shards and their index, likewise
    packages     archives, hashed on the way, the end held back until all is right
    shelf        what was verified or made, on disk, by its digest
    ledger       what was left out or refused, and why
    app, server  the above over HTTP

Indexes are filtered so that solvers choose what is allowed; what a client gets in the end is decided when it asks for
the package. An outage is an error and never an empty index.
"""
