"""condattest: sign, publish, verify and audit attestations of conda packages.

Four questions, four verbs, four floors; imports run from the top of this tower to its bottom, never back:

    what was asked for?                    cli
    how is the answer shown?               reports
    may this be installed?       verify    operations  -> Verdict
    does policy allow that?      decide    policy      -> Verdict        who signed it, when?  authenticate  signatures
    what do these bytes say?     parse     formats     -> a value        bytes in, bytes out                 transport
    values only                            model, errors

`sandbox` is a local Sigstore for rehearsal; nothing trusts it by default.
"""
