"""What an audit looks for: one check in each file, all of them `Check`s."""
