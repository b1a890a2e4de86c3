"""Chaos on Apache Kafka: seeded faults under load, and an account of what was lost, repeated or issued twice: nothing.

`python -m tests.kafka.chaos --scenario kills --chunks 100000 --seed 1`, or `make chaos CHAOS="..."`. The stages are
real; the recogniser is a stub that hears an offence in everything (tests/support/worker_process.py), so that every
utterance is due a takedown, and its transcript holds the checksum of the audio.
"""
