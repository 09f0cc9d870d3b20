"""Say whether a policy allows what was authenticated: pure, and of a time that is an argument.

load     TOML -> Policy, or every problem at once
bind     is this statement about this artifact of this channel?
match    is this signer one that a rule names?
decide   Policy + artifact + evidence -> Verdict
explain  the same, with every signer and field that was tried
learn    evidence -> a policy text, or the changes to one
"""
