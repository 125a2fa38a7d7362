"""What an emulated process does: from a command line to a program of timed steps. Pure: nothing here runs anything.

`program` is the steps, `words` takes a script apart, `applets` are the commands that are emulated, `script` is `sh -c`,
`entrypoint` decides what a container or an exec runs at all.
"""
