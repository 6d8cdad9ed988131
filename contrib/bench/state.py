"""What each agent must know of a maildrop to have seen it, in its own format."""


def seeded(bench, drop, count):
    raise NotImplementedError
