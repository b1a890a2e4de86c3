"""Laughs, cries and hums as a recogniser spells them: sounds of a voice, but no words.

A text is an interjection only if such sounds make up all of it: "ha ha, you are next" is heard. What is also a word
counts only where it is said over and over ("he he", "ha ha ha", "la la la"), and what people repeat as words stays: "no
no no", "go go go", "hi", 滚滚滚. Nothing that could be judged is lost.
"""

from __future__ import annotations

import re

from models.speech.text import simplify

_LATIN = (
    r"(?:[aeo]|b?wa?|m[uw]a?)?(?:h+[aeiou]+){2,}h*|[hw]?a+h+|ha+|he+h+|hee+|huh"  # laughs: haha, bwahaha, ahh, heh
    r"|a{2,}|a+w+|a+r*gh+|e+h+|e{2,}k*|e+w+|o+h+|o{2,}h*|o+w+|ouch|u+h+|u+gh+|u{2,}"  # cries: aargh, eek, ooh, ugh
    r"|who?a+h*|wo+w+|woo+(?:hoo+)?|whee+|ya+y+|yikes|phew"
    r"|m{2,}|h+m+|m+h+m+|u+m+|e+r+m*|sh{2,}|s{3,}|z{3,}|br{2,}|gr{2,}|tsk|psst|pf+t?"  # hums and hisses: mm, hmm, shh
)
_CHINESE = r"[哈呵嘿嘻咯嗬啊哦喔噢呃嗯唔哎唉诶欸哇呀呜嗷哼嘘哟呦唷]+|([啦咿嘎嘟滴咚叮砰嗒哒咔咕咩喵嗡唰呼噗嘶嗖])\1{2,}"
_OTHERS = (
    r"[えあエア]?([はへふひほハヘフヒホ])\2+|([あえおアエオ])\3*[ーっッ]*|[んン]+"
    r"|아?([하흐히허호])\4+|([아어으])\5*|음+"
)
_SOUND = re.compile(f"{_CHINESE}|{_OTHERS}|{_LATIN}")
_SYLLABLE = re.compile(r"(?P<laugh>h[aeio]|hu)|[fln]a|[bdw]oo|[pw]ee|dum|shush|beep|ding")
"""What is a sound when it is all that is said: a laugh from twice on, any other three times.

"da da da" is not among them, nor what else Mandarin words sound like: a recogniser writes so for 打打打.
"""
_RUNS = re.compile(r"[^\W\u2e80-\uffff]+|[\u2e80-\uffff]+")


def is_interjection(text: str) -> bool:
    """Say whether `text` is nothing but sounds of a voice."""
    runs = _RUNS.findall(re.sub(r"[^\w\s]|_", " ", simplify(text).casefold()))
    return bool(runs) and (_repeated(runs) or all(_SOUND.fullmatch(run) for run in runs))


def _repeated(runs: list[str]) -> bool:
    syllable = _SYLLABLE.fullmatch(runs[0])
    return syllable is not None and len(set(runs)) == 1 and len(runs) >= (2 if syllable["laugh"] else 3)
