#!/bin/sh
# Renders phrase.flac: needs flite (Debian package flite) and flac-capable python3-soundfile.
set -eu
cd "$(dirname "$0")"
flite -voice slt -t "Please send the money to my account before tonight." -o phrase.wav
python3 -c "import soundfile; s, r = soundfile.read('phrase.wav', dtype='int16'); soundfile.write('phrase.flac', s, r)"
rm phrase.wav
