"""What the speaker is told, in Chinese and English: which words, what is wrong, what follows, and how to object."""

from __future__ import annotations

# Category path -> what is said to be wrong. The most particular path that is known speaks.
_WHAT: dict[str, tuple[str, str]] = {
    "ads/contact": ("这是在引导他人到平台外联系", "asks people to contact you outside this platform"),
    "ads": ("这是未经允许的推广", "advertises something without permission"),
    "fraud": ("这与常见的诈骗话术相符", "matches the wording of a known kind of fraud"),
    "fraud/investment": ("这与投资诈骗的话术相符", "matches the wording of an investment fraud"),
    "fraud/task": ("这与刷单诈骗的话术相符", "matches the wording of a paid-task fraud"),
    "fraud/loan": ("这与贷款诈骗的话术相符", "matches the wording of a loan fraud"),
    "fraud/impersonation": ("这与冒充他人或机构的诈骗话术相符", "matches the wording of an impersonation fraud"),
    "fraud/account": ("这涉及买卖账户、银行卡或验证码", "offers or asks for accounts, bank cards or codes"),
    "gambling": ("这是在推广或组织赌博", "promotes or organises gambling"),
    "sexual": ("这是房间内不允许的色情内容", "is sexual content that this room does not allow"),
    "sexual/solicitation": ("这是在提供或索要性服务", "offers or asks for sexual services"),
    "sexual/harassment": ("这是对他人的性骚扰", "sexually harasses somebody"),
    "abuse": ("这是在辱骂他人", "insults somebody"),
    "abuse/hate": ("这是针对群体的仇恨言论", "is hateful towards a group of people"),
    "threat": ("这是在威胁他人", "threatens somebody"),
    "threat/incitement/self-harm": ("这是在怂恿他人伤害自己", "urges somebody to harm themselves"),
    "drugs": ("这涉及毒品交易或吸食", "is about dealing in or using illegal drugs"),
    "weapons": ("这涉及武器或爆炸物的买卖、制造", "is about trading or making weapons or explosives"),
    "minors": ("这可能危害未成年人", "may endanger minors"),
    "privacy": ("这是在公开或收集他人的个人信息", "exposes or collects somebody's personal data"),
    "self-harm": ("你提到了伤害自己的想法", "mentions thoughts of harming yourself"),
    "disruption": ("你的麦克风发出了刺耳的噪音", "your microphone disrupts the room with noise"),
    "disruption/noise/scream": ("你的麦克风传出了尖叫声", "your microphone disrupts the room with screaming"),
    "synthetic/voice/declared": ("你声明使用合成声音", "your voice is declared as synthetic"),
    "synthetic": ("你的声音听起来是合成的，但没有标明", "your voice sounds synthetic and is not labelled so"),
}
_ACTION: dict[str, tuple[str, str]] = {
    "warn": ("这是一次警告，再次出现会被禁言。", "This is a warning; if it happens again you will be muted."),
    "mute": ("你已被禁言{zh}。", "You are muted{en}."),
    "kick": ("你已被移出房间{zh}。", "You are removed from the room{en}."),
    "suspend": ("你的账号已被暂停使用{zh}。", "Your account is suspended{en}."),
    "close_room": ("房间已关闭{zh}。", "The room is closed{en}."),
    "review": ("工作人员会查看这段内容。", "A person will look at this."),
    "label_required": ("请开启“合成声音”标识后继续。", "Please switch on the synthetic-voice label to continue."),
}
_APPEAL = (
    "如果你认为判断有误，可以申诉，由人工复核。",
    "If you think this is wrong you can appeal, and a person will decide.",
)
_CARE_ZH = (
    "我们听到你说“{quote}”。这不是处罚。如果你正难以承受，请和身边信任的人说说，或拨打心理援助热线 12356；"
    "如有紧急危险，请拨打 120 或 110。"
)
_CARE_EN = (
    "We heard you say “{quote}”. This is not a penalty. If things are too much right now, please talk to somebody you "
    "trust or to a crisis line (in the US and Canada 988, in the UK 116 123); in immediate danger call the "
    "emergency services."
)
_LONGEST_QUOTE = 40


def _what(category: str) -> tuple[str, str]:
    parts = category.split("/")
    for size in range(len(parts), 0, -1):
        found = _WHAT.get("/".join(parts[:size]))
        if found:
            return found
    return f"这属于本平台不允许的内容（{category}）", f"is something this platform does not allow ({category})"


def duration(seconds: int) -> tuple[str, str]:
    """A time to live in words: the largest unit that divides it."""
    for size, zh, en in ((86_400, "天", "day"), (3600, "小时", "hour"), (60, "分钟", "minute"), (1, "秒", "second")):
        if seconds and seconds % size == 0:
            count = seconds // size
            return f" {count} {zh}", f" for {count} {en}{'s' if count > 1 else ''}"
    return "", ""


def reason(category: str, quote: str, action: str, ttl_s: int, care: bool, tentative: bool = False) -> dict[str, str]:
    """The message to a speaker under ``zh`` and ``en``; ``quote`` are the words at issue, "" where there are none.

    ``tentative``: a model proposes it, and nobody has found it to be so.
    """
    quote = quote.strip()
    if len(quote) > _LONGEST_QUOTE:
        quote = quote[: _LONGEST_QUOTE - 1] + "…"
    if care:
        return {"zh": _CARE_ZH.format(quote=quote), "en": _CARE_EN.format(quote=quote)}
    what_zh, what_en = _what(category)
    zh_time, en_time = duration(ttl_s)
    zh_action, en_action = _ACTION[action]
    zh = f"你说了“{quote}”，{what_zh}。" if quote else f"{what_zh}。"
    en = f"You said “{quote}”, which {what_en}." if quote else f"{what_en[0].upper()}{what_en[1:]}."
    if tentative:
        zh, en = (
            f"自动检测认为{what_zh}，但没有把握。",
            f"An automatic check thinks, without being sure, that this {what_en}.",
        )
    return {
        "zh": f"{zh}{zh_action.format(zh=zh_time)}{_APPEAL[0]}",
        "en": f"{en} {en_action.format(en=en_time)} {_APPEAL[1]}",
    }


_NAME = {
    "label_required": ("标识要求", "request for a label"),
    "review": ("人工查看", "review"),
    "warn": ("警告", "warning"),
    "mute": ("禁言", "mute"),
    "kick": ("移出房间", "removal from the room"),
    "suspend": ("暂停使用", "suspension"),
    "close_room": ("关闭房间", "closing of the room"),
}


def still_reason(action: str, ttl_s: int) -> dict[str, str]:
    """To somebody who comes back while an action lasts; the time is rounded up to minutes from a minute on."""
    rounded = -(-ttl_s // 60) * 60 if ttl_s > 60 else ttl_s
    zh_time, en_time = duration(rounded)
    zh, en = _NAME[action]
    return {
        "zh": f"之前的处置（{zh}）仍然有效，还有{zh_time}。{_APPEAL[0]}",
        "en": f"Your earlier {en} still holds{en_time}. {_APPEAL[1]}",
    }


def lifted_reason(action: str) -> dict[str, str]:
    """To somebody whose takedown was overturned."""
    zh, en = _NAME[action]
    return {
        "zh": f"经人工复核，之前对你的处置（{zh}）已撤销，不再计入记录。给你带来不便，我们深表歉意。",
        "en": f"A person has reviewed your {en} and withdrawn it; it no longer counts. We are sorry.",
    }


def unanswered_reason() -> dict[str, str]:
    """To the person who looks after a takedown that was not acknowledged; nothing is told to the speaker."""
    return {
        "zh": "平台没有确认这项处置，需要人工查看。",
        "en": "The platform has not acknowledged this takedown; a person has to look at it.",
    }
