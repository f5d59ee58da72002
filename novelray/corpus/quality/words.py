"""Word lists of our own, by language. Chinese lists hold simplified and traditional forms side by side.

Short on purpose: a list says which way a text leans, and every score compares a text with itself or with its book.
"""

from __future__ import annotations


def _words(listed: str, mark: str | None = None) -> tuple[str, ...]:
    """The words between white space, or the phrases between marks."""
    return tuple(word.removeprefix("\n") for word in listed.strip("\n").split(mark))


ZH_TENSION = "".join(
    _words("""
杀殺战戰斗鬥怒惊驚哭 血死亡兵刀剑劍打骂罵 恨急危逃败敗敌敵贼賊 喝斩斬箭枪槍攻害怕慌 叫嚷拿捉妖怪鬼苦痛泪
淚悲冤仇乱亂奔困伤傷 毒狠凶兇狂吼吓嚇抖颤 顫疯瘋绝絕爆炸撞撕裂 追阻
""")
)
"""Hanzi of strife, fear, pain and haste; one of them says little, their share of a passage says much."""

ZH_CLOSING = _words("""
後來 后来 從此 从此 自此 至今 到如今 一生 一世 終身 终身 子孫 子孙 壽 寿 團圓 团圆 團聚 团聚 收場 收场 全書 全书
此書 此书 這部書 这部书 後人 后人 百年 封 享 葬 薨 卒 歸 归 了結 了结 太平 善終 善终 結局 结局 完結 完结 多年以後
多年以后 多年後 多年后 終於 终于 永遠 永远 餘生 余生 告別 告别 結婚 结婚 婚禮 婚礼 重逢 平靜 平静 釋然 释然 從前
从前 回憶 回忆 剧终 全文完 正文完 功成 成佛 升天 無疾
""")
"""Words with which stories are wound up: what became of people, looking back, rewards, marriages and burials."""

ZH_OPENING = _words("""
姓 名喚 名唤 名叫 表字 字 人氏 祖居 世居 自幼 從小 从小 年方 年紀 年纪 歲 岁 生得 生在 出身 乃是 原是 原來 原来 話說
话说 卻說 却说 且說 且说 單說 单说 從前 从前 當年 当年 那年 一日 有一 有個 有个 有位 名為 名为 住在 家中 父親 父亲
祖上 本地 第一次 剛剛 刚刚 開始 开始 年輕 年轻 名字
""")
"""Words with which people, places and times are introduced."""

ZH_HOOK = _words("""
下回 下文 分解 分曉 分晓 下卷 後文 后文 且看 且聽 且听 端的 如何 怎么 怎麼 怎样 怎樣 怎生 未完 待续 待續 何人 是谁
是誰 性命 究竟 怎的 何事
""")
"""At the very end of a chapter they promise that the story goes on."""

EN_TENSION = _words("""
afraid agony alarm alarmed anger angrily angry anguish anxiety anxious arrest arrested assault astonishment attack
attacked battle beat blaze blood bloody blow bomb bleeding breathless broken burn burning burst chase chased clash
collapse corpse crash cried crime cruel cruelly crushed cry cursed cut danger dangerous dare dead deadly death
defeat despair desperate destroy destroyed destruction died die dismay distress distressed doom doomed dread
dreadful dreaded dying enemy enraged escape escaped evil excited explosion fear feared fell fierce fiercely fight
fighting fire fired flames fled flee fought frantic frantically fright frighten frightened frightful furious fury
ghastly gun guilt guilty hate hated hatred horrible horror horrified hurried hurt indignant indignation injured
insult jealous jealousy kill killed killing knife lost mad madness menace miserable misery mortified murder murdered
murderer pain painful pale panic passion peril pistol poison pursued pursuit quarrel rage ran revenge rifle ruin
ruined rush rushed scream screamed screaming seized shame shock shocked shot shouted shriek shrieked slain smashed
snatched sob sobbed sobbing sprang stab stabbed storm struck struggle struggled suddenly suffered suffering
suspicion sword tears terrible terrified terror threat threaten threatened tore torment torn tortured trap trapped
tremble trembled trembling ugly vexed vengeance victim villain violence violent violently war weapon wept wicked
wild wildly wound wounded wreck wretch wretched yell yelled
""")
"""Words of strife, fear, pain and haste."""

EN_CLOSING = _words("""
afterwards always anniversary ashes baptised born buried burial children christened closed comfort concluded
conclusion content dawn daughters died end ended ending ever eventually eternal farewell final finally forever
forgave forgive forgiven forgot forgotten funeral future gone goodbye grandchildren grateful gratitude grave graves
grew happily happiest happiness happy health heir home husband inherited last later lives lived lifetime marriage
married memory memories never old parted peace peaceful peacefully quiet recalled recovered regret remained remember
remembered rest rested retired return returned reunited settled silence since sleep still success survived
thenceforth thereafter tomb united wedding wife years
""")
"""As ZH_CLOSING."""

EN_OPENING = _words("""
acquainted acquaintance aged appearance arrival arrived began begin beginning born called childhood city country
daughter eldest estate family father first fortune gentleman girl grew house introduced introduction lady learned
lived mother name named native neighbourhood neighborhood newcomer once opened parents parish profession resided son
spring stranger summer town village widow winter year young youngest youth
""")
"""As ZH_OPENING."""

ZH_MENTAL = _words("""
心想 心裡想 心里想 心中想 心道 暗想 暗道 暗忖 忖道 思忖 尋思 寻思 想道 心中暗 自思 自忖 覺得 觉得 感到 感觉 感覺
意識到 意识到 明白 想起 记得 記得 知道 希望 害怕 後悔 后悔 懷疑 怀疑 以為 以为 不由得 忍不住 心裡 心里 心中 心下
心頭 心头
""")
"""What only the person concerned, or a teller who sees into that person, can know."""

EN_MENTAL = _words("""
thought felt knew wondered wished hoped feared remembered realised realized believed supposed imagined understood
decided doubted recalled noticed resolved dreaded longed expected suspected considered reflected regretted trusted
perceived guessed hated loved wanted
""")
"""As ZH_MENTAL: verbs of inner life."""

EN_STATES = _words("""
afraid alarmed amazed amused angry anxious ashamed astonished aware certain convinced curious delighted desirous
determined disappointed discontented displeased distressed eager embarrassed enraged envious frightened glad gratified
grateful happy indifferent jealous mortified offended persuaded perplexed pleased proud relieved resolved satisfied
sensible shocked sorry surprised uncomfortable uneasy unhappy vexed weary wretched
""")
"""What somebody is said to be by a teller who sees into that person."""

EN_FEELINGS = _words("""
anger anxiety astonishment curiosity delight desire disappointment dismay emotion emotions fears feelings heart hopes
indignation joy mind mortification opinion resentment satisfaction sensations spirits surprise suspicions thoughts
vexation wishes
""")
"""What a teller sees in somebody: the word after that person's name or her, his."""

ZH_INTRUSION = _words("""
看官 列位 列公 諸公 诸公 話說 话说 卻說 却说 且說 且说 單說 单说 再說 再说 話分兩頭 话分两头 按下 不提 不題 不题
閒話休提 闲话休提 閑話休題 要知 分解 分曉 分晓 下回 書中 书中 說書 说书 在下 正是： 有詩為證 有诗为证 後人有詩
后人有诗 原來 原来 異史氏 诗曰 詩曰 读者 讀者 此處 此处 暫且 暂且 此是後話 此是后话
""")
"""A teller who stands outside the story and speaks of it."""

EN_INTRUSION = _words(
    """ reader|let us |we shall see|we have seen|we must now|we now return|our story|our tale|this history|our hero|
it is a truth|of them knew|little did|had they known|unknown to|nobody |everyone in|every one of them|the entire |
could not have known|no one would have|meanwhile|none of the|both of them|each of them""",
    "|",
)
"""As ZH_INTRUSION, in phrases; also what no single person in the scene can see."""

GENRES = {
    "zh": {
        "武侠": _words("""
剑 劍 侠 俠 镖 鏢 江湖 武功 内力 內力 掌门 掌門 招式 暗器 兵刃 好漢 好汉 賊人 拳
"""),
        "仙侠": _words("""
妖 仙 修炼 修煉 元神 法宝 法寶 真气 真氣 灵气 靈氣 菩薩 菩萨 神通 道長 道长 丹 魔
"""),
        "历史": _words("""
将军 將軍 陛下 丞相 朝廷 大军 大軍 兵马 兵馬 天子 太守 魏 蜀 吴 吳 出师 出師 百姓 謀反
"""),
        "世情": _words("""
奶奶 姨娘 丫头 丫頭 嬷嬷 嬤嬤 太太 老爷 老爺 姐姐 妹妹 小廝 小厮 銀子 银子 舉人 举人 相公
"""),
        "志怪": _words("""
鬼 狐 夢 梦 魂 廟 庙 書生 书生 异史氏 異史氏 陰間 阴间 道士 尸 屍 冥
"""),
        "言情": _words("""
爱 愛 喜欢 喜歡 吻 心跳 拥抱 擁抱 恋 戀 分手 婚 温柔 溫柔 眼泪 眼淚
"""),
        "都市": _words("""
手机 手機 公司 电话 電話 汽车 汽車 总裁 總裁 地铁 地鐵 微信 咖啡 老板 老闆 小区 办公室 辦公室
"""),
        "科幻": _words("""
飞船 飛船 星球 机器人 機器人 宇宙 基因 银河 銀河 外星 引擎 人工智能 量子 太空 轨道 軌道
"""),
        "悬疑": _words("""
凶手 兇手 案 警察 侦探 偵探 尸体 屍體 线索 線索 嫌疑 证据 證據 现场 現場 死者
"""),
        "恐怖": _words("""
鬼 恐怖 诡异 詭異 惨叫 慘叫 阴森 陰森 血 尖叫 棺材 诅咒 詛咒 墓
"""),
    },
    "en": {
        "romance": _words("""
love loved marry marriage married ball affection attachment heart engaged partiality admiration sister kiss kissed
"""),
        "mystery": _words("""
crime clue clues detective police murder evidence inspector client mystery case stolen suspect theft
"""),
        "science fiction": _words("""
machine machines martian martians planet science scientific space heat cylinder time ship alien robot engine
dimension dimensions future star stars
"""),
        "horror": _words("""
horror fiend monster wretch ghost corpse grave dread terror blood demon hideous creature haunted vampire
"""),
        "historical": _words("""
king queen duke castle sword knight battle army regiment emperor throne lord court war
"""),
        "fantasy": _words("""
magic wizard dragon elf spell sorcerer witch enchanted kingdom quest prophecy sword dwarf
"""),
        "adventure": _words("""
island ship captain treasure voyage crew sail jungle expedition pirate pirates shore boat
"""),
    },
}
"""Words that lean to a genre. A guess from them is only a guess."""

ZH_SURNAMES = "".join(
    _words("""
赵趙钱錢孙孫李周吴吳 郑鄭王冯馮陈陳褚卫衛 蒋蔣沈韩韓杨楊朱秦许 許何吕呂施张張孔曹严 嚴华華金魏陶姜戚谢謝
邹鄒喻苏蘇潘葛范彭郎 鲁魯韦韋马馬苗方俞任 袁柳史唐费費薛雷贺賀 倪汤湯罗羅毕畢郝安常 乐樂于傅齐齊康伍余顾
顧孟黄黃穆萧蕭尹姚邵 汪祁毛狄米贝貝明计計 成戴宋庞龐熊纪紀舒屈 项項祝董梁杜蓝藍季贾 賈路江童颜顏郭梅盛林
钟鍾徐邱骆駱高夏蔡田 樊胡凌霍万萬柯卢盧莫 房干丁宣邓鄧单單洪包 左石崔龚龔程邢裴陆陸 翁荀甄曲封储儲段焦巴
牧谷侯宁寧甘武符刘劉 景詹龙龍叶葉司黎薄印 白蒲从從卓池乔喬闻聞 党黨翟谭譚申冉牛燕尚 温溫庄莊晏柴瞿阎閻连
連习習古易廖耿匡文寇 广廣欧歐师師巩鞏聂聶 敖冷简簡饶饒曾关關游 竺盖益桓公宝寶玄悟八 沙展艾阿小老大二三秀
行者贤賢黛凤鳳湘探
""")
)
"""First characters of names and forms of address."""
