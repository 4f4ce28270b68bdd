"""The support file: one text that tells a stranger what goes on in this gateway, and nothing about its owner.

``report`` puts it together, ``machine`` and ``programs`` find out what is in it, ``strike`` takes out what is nobody's
business. None of it imports netd: where netd does not answer, the card's own set-up makes the file as well as it can.
"""
