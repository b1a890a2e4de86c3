"""What Whisper writes when nobody speaks: sentences of subtitle files, learnt with their soundtracks.

A text is a phantom only if such sentences make up all of it, give or take a filler, so that "subscribe to my
channel or I will find you" stays. Collected from the issue trackers of Whisper and its servers and from our own runs
on noise and music; the guard applies them in any language, since Whisper mixes them.
"""

from __future__ import annotations

import re

from models.speech.text import simplify

# Chinese, on simplified text without spaces and punctuation.
_NAMES = "amaraorg(?:社[区群])?|索兰娅|李宗盛|杨茜茜|杨栋梁|贝尔|jchong"
_ASKS = "点赞|按赞|订阅|关注|转发|收藏|分享|留言|打赏|开启?小铃铛|一键三连"
_CHINESE = (
    # Credits of subtitles, songs and stations.
    (
        r"(?:以下)?(?:中文|普通话|粤语)?(?:字幕|翻译|校对|后期|听写|听译|时间轴|压制|配音)+"
        rf"(?:志愿者|组|制作|提供|支持|服务)*(?:由|by|来自)?(?:{_NAMES})?(?:提供|制作)?"
    ),
    r"由?amaraorg社[区群](?:提供)?(?:的)?(?:字幕)?",
    r"(?:作?词|作?曲|编曲|演唱|词曲|混音|制作人)+(?:李宗盛|周杰伦|林俊杰|方文山)",
    r"(?:优优|yoyo)独播剧场(?:yoyo)?",
    r"(?:yoyo)?televisionseriesexclusive",
    r"(?:mbc|kbs|sbs|cctv|tvb)(?:新闻|뉴스)?(?:이덕영입니다|김수영입니다)?",
    r"未经(?:作者|著作权人)?许可(?:不得|请勿)(?:翻唱|转载|使用|或)+",
    # Requests and farewells of video makers.
    rf"请?不吝(?:{_ASKS}|支持)+(?:明镜(?:与|和)?点点?栏目)?",
    r"(?:打赏支持)?明镜(?:与|和)?点点?栏目",
    rf"(?:欢迎|请|记得|别忘了|帮我|麻烦)*(?:{_ASKS})(?:{_ASKS}|和|并|及|我的?|我们的?|本|频道|视频|支持)+",
    rf"(?:欢迎|请|记得|别忘了)(?:{_ASKS})",
    r"(?:非常)?(?:感谢|谢谢)(?:大家|您|你们?|各位)?的?(?:收看|观看|收听|聆听)(?:本期|这个|我的)?(?:视频|节目|影片)?",
    r"(?:我们|咱们)?下(?:期|集|个视频)(?:视频|节目|影片)?(?:再见|见)",
    r"(?:好了?)?(?:本期|这期|今天的)(?:视频|节目|影片)(?:内容)?就?到(?:此|这里)(?:了|结束|为止)*",
    # The same in languages into which Whisper strays.
    r"ご[視视][聴听](?:頂き|いただき)?ありがとうございま(?:した|す)|チャンネル登[録录](?:を?お願いします|よろしくお願いします)?",
    r"시청해주셔서감사합니다|구독과좋아요부탁드립니다",
)

# English, on text without punctuation, with single spaces.
# Names are listed: a free name would let "captions by 杀了你" pass for a credit.
_CREDITED = (
    r"(?:the )?(?:https )?(?:amara org(?: community)?|otter ai|castingwords|zeoranger co uk|dimatorzok"
    r"|sdi media(?: group)?|national captioning institute|transcription outsourcing llc)"
)
_ENGLISH = (
    (
        r"(?:thank you|thanks)(?: so much| very much| all)? for (?:watching|viewing|listening)"
        r"(?: (?:this|the|my|our))?(?: (?:video|show|channel|episode))?"
    ),
    (
        r"(?:(?:please|and|also|remember to|don't forget to|make sure to|if you (?:like|enjoyed) (?:this|the) video) )*"
        r"(?:like|subscribe|share|comment|hit the bell|click the bell|hit the like button)"
        r"(?: (?:and|to|my|our|the|this|channel|videos?|like|subscribe|share|comment|below|for|more|notifications?))*"
    ),
    r"(?:and )?(?:(?:i'll|i will|we'll) )?see you (?:guys |all )?(?:in (?:the|my) )?next (?:time|video|one|episode)",
    (
        r"(?:(?:sub)?titles?|subs|(?:closed )?caption(?:s|ing)?|transcription|translation)"
        rf"(?: (?:provided|created|made|done|edited|corrected))? (?:by|from) {_CREDITED}"
    ),
    rf"(?:transcribed|translated|captioned) by {_CREDITED}",
    r"amara org(?: community)?",
    r"(?:www )?(?:mooji|otter|zeoranger|fema|beadaholique|hutube|osho)(?: (?:org|com|ai|gov|co uk))+",
    r"(?:copyright )?(?:bf watch tv|transcript emily beynon|bbc studios)(?: \d{4})?",
    r"(?:the )?(?:end|music playing|music|applause|laughter|silence|blank_?audio|inaudible|foreign)",
)

# What Whisper says to short noises, and people say too: harmless, so believed only with good signals.
_STOCK_ENGLISH = (
    (
        r"(?:[b-hj-z]|thank you|thanks|you|bye|okay|ok|oh|ah|hmm|mm|uh|um|so|yeah|yes|no|hi|hello|i'm sorry|the|and"
        r"|beep|whoosh)"
        r"(?: (?:thank you|thanks|you|bye|okay|oh|ah|so much|very much|everyone|all|no|yeah))*"
    ),
)
_STOCK_CHINESE = (r"(?:谢谢(?:大家|你)?|[嗯啊哦呃哎唉呵哈我你他的了一不滴咚啦呜哇对好]|是的?|好的|拜拜|再见){1,3}",)


def _whole(chinese: tuple[str, ...], english: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    filler = r"(?: (?:the|a|and|to|you|okay|ok|bye|so))*"
    one_chinese, one_english = "|".join(chinese), "|".join(english)
    return (
        re.compile(f"(?:{one_chinese})+[的了啊由吧]*"),
        re.compile(f"(?:(?:{one_english}){filler}(?: |$))+"),
    )


_PHANTOM = _whole(_CHINESE, _ENGLISH)
_STOCK_PHRASE = _whole(_STOCK_CHINESE, _STOCK_ENGLISH)
_NOT_WORDS = re.compile(r"[^\w']+|_+")


def is_phantom(text: str) -> bool:
    """Say whether `text` is nothing but known hallucinations, once or several times over."""
    return _matches(_PHANTOM, text)


def is_stock_phrase(text: str) -> bool:
    """Say whether `text` is only a word or two of the kind that Whisper writes for short noises."""
    return _matches(_STOCK_PHRASE, text)


def _matches(patterns: tuple[re.Pattern[str], re.Pattern[str]], text: str) -> bool:
    spaced = " ".join(_NOT_WORDS.sub(" ", simplify(text).casefold().replace("’", "'")).split())
    chinese, english = patterns
    return bool(chinese.fullmatch(spaced.replace(" ", "")) or english.fullmatch(spaced))
