"""Names of places that begin an address: large cities and provinces, in both scripts, and the states of the US."""

from __future__ import annotations

_CITIES = """
北京 上海 天津 重庆 重慶 香港 澳门 澳門 台北 臺北 高雄 台中 臺中 台南 臺南 新北 桃园 桃園 新竹 广州 廣州 深圳
杭州 南京 武汉 武漢 成都 西安 苏州 蘇州 长沙 長沙 郑州 鄭州 青岛 青島 大连 大連 宁波 寧波 厦门 廈門 福州 济南
濟南 沈阳 瀋陽 哈尔滨 哈爾濱 长春 長春 昆明 贵阳 貴陽 南宁 南寧 南昌 合肥 太原 石家庄 石家莊 兰州 蘭州 西宁
西寧 银川 銀川 乌鲁木齐 烏魯木齊 呼和浩特 拉萨 拉薩 海口 三亚 三亞 无锡 無錫 东莞 東莞 佛山 珠海 温州 溫州
嘉兴 嘉興 绍兴 紹興 金华 金華 徐州 常州 扬州 揚州 烟台 煙台 洛阳 洛陽 开封 開封 张家口 張家口 张家界 張家界
来宾 來賓 从化 從化
"""

_PROVINCES = """
河北 山西 辽宁 遼寧 吉林 黑龙江 黑龍江 江苏 江蘇 浙江 安徽 福建 江西 山东 山東 河南 湖北 湖南 广东 廣東 海南
四川 贵州 貴州 云南 雲南 陕西 陝西 甘肃 甘肅 青海 台湾 臺灣 内蒙古 內蒙古 广西 廣西 西藏 宁夏 寧夏 新疆
"""

_STATES = """
Alabama, Alaska, Arizona, Arkansas, California, Colorado, Connecticut, Delaware, Florida,
Georgia, Hawaii, Idaho, Illinois, Indiana, Iowa, Kansas, Kentucky, Louisiana, Maine,
Maryland, Massachusetts, Michigan, Minnesota, Mississippi, Missouri, Montana, Nebraska, Nevada,
New Hampshire, New Jersey, New Mexico, New York, North Carolina, North Dakota, Ohio, Oklahoma,
Oregon, Pennsylvania, Rhode Island, South Carolina, South Dakota, Tennessee, Texas, Utah,
Vermont, Virginia, Washington, West Virginia, Wisconsin, Wyoming
"""

CITIES, PROVINCES = tuple(_CITIES.split()), tuple(_PROVINCES.split())
STATES = tuple(" ".join(_STATES.split()).split(", "))
