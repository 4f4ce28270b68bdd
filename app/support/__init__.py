"""The support file: one text about the gateway's state, without anything about its owner.

``report`` assembles it, ``machine`` and ``programs`` collect its sections, ``redact`` removes secrets and names. The
package does not import netd: where netd does not answer, first boot makes the file as well as it can.
"""
