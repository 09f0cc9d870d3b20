"""Who signed it, and when? The only floor that imports sigstore; it verifies, and identity is judged afterwards.

Public: `authenticate(bundle, trust) -> Evidence` and `TrustRoot`. Kept out of this file, so that importing the package
costs nothing: `from condattest.signatures.authenticate import authenticate`.
"""
