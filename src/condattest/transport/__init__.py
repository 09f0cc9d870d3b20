"""Bytes in, bytes out, and what this machine has seen: the only floor that touches the network, files and state.

Nothing here knows what the bytes mean. Kept out of this file, so that importing the package costs nothing:
`from condattest.transport.fetch import Fetcher`.
"""
