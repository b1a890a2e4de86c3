"""`bench speech`: our recogniser and its peers on the same utterances, and how many speakers one machine can follow."""
