"""The stack deployed for real to a stand-in for AWS on loopback, and looked at from outside."""
