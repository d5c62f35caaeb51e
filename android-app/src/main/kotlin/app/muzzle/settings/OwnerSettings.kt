package app.muzzle.settings

import app.muzzle.core.Reach
import app.muzzle.core.Verdict
import org.json.JSONArray
import org.json.JSONException
import org.json.JSONObject

/** What happens to an app's listed hosts. */
enum class AppSetting(
    val code: String,
) {
    BLOCK("block"),
    RECORD("record"),

    /** Outside the VPN altogether. */
    OFF("off"),
    ;

    companion object {
        fun of(code: String) = entries.firstOrNull { it.code == code }
    }
}

/** Which apps may not resolve names past the phone: the words of the policy. */
enum class Bypass(
    val code: String,
) {
    /** Any app may. */
    OFF("off"),

    /** Those that have a setting of their own, and it is Block. */
    LISTED_APPS("listed-apps"),
    ALL("all"),
    ;

    companion object {
        fun of(code: String) = entries.firstOrNull { it.code == code }
    }
}

/** What happens to one host, for all apps or for one, for good or until a time. */
data class HostOverride(
    val host: String,
    val verdict: Verdict,
    val packageName: String? = null,
    val until: Long? = null,
)

/** Everything that the owner chose. Immutable; [SettingsStore] keeps it. */
data class OwnerSettings(
    /** Protection is to run, also after a restart of the phone. */
    val wanted: Boolean = false,
    val pausedUntil: Long? = null,
    val reach: Reach = Reach.LIGHT,
    val default: AppSetting = AppSetting.BLOCK,
    /** Listed hosts are answered on the phone where that is possible, in place of a refusal. */
    val capture: Boolean = false,
    val apps: Map<String, AppSetting> = emptyMap(),
    val hosts: List<HostOverride> = emptyList(),
    val categories: Map<String, Verdict> = emptyMap(),
    /** Names of lists that say nothing. */
    val listsOff: Set<String> = emptySet(),
    /** Whose ways past the phone's resolver are refused. */
    val bypass: Bypass = Bypass.LISTED_APPS,
    /** Upstream resolvers; empty for those of the network. */
    val resolvers: List<String> = emptyList(),
    val retentionDays: Int = 7,
    val maxBytes: Long = 256L shl 20,
    /** Values in lists stay covered until a tap. */
    val hideValues: Boolean = false,
    val appearance: Appearance = Appearance.SYSTEM,
    val firstRunDone: Boolean = false,
    /** Codes of cards and steps that the owner put away or said were done. */
    val dismissed: Set<String> = emptySet(),
) {
    fun settingOf(packageName: String): AppSetting = apps[packageName] ?: default

    fun json(): JSONObject =
        JSONObject()
            .put("v", VERSION)
            .put("wanted", wanted)
            .putOpt("paused_until", pausedUntil)
            .put("reach", reach.code)
            .put("default", default.code)
            .put("capture", capture)
            .put("apps", JSONObject(apps.mapValues { it.value.code }))
            .put("hosts", JSONArray(hosts.map { it.json() }))
            .put("categories", JSONObject(categories.mapValues { it.value.code }))
            .put("lists_off", JSONArray(listsOff.sorted()))
            .put("refuse_bypass", bypass.code)
            .put("resolvers", JSONArray(resolvers))
            .put("retention_days", retentionDays)
            .put("max_bytes", maxBytes)
            .put("hide_values", hideValues)
            .put("appearance", appearance.code)
            .put("first_run_done", firstRunDone)
            .put("dismissed", JSONArray(dismissed.sorted()))

    companion object {
        const val VERSION = 1

        /** Keys that are missing keep their defaults, so an older file still reads. Throws [JSONException]. */
        fun of(json: JSONObject): OwnerSettings {
            if (json.getInt("v") !in 1..VERSION) throw JSONException("settings of a newer version of the app")
            val plain = OwnerSettings()
            return OwnerSettings(
                wanted = json.optBoolean("wanted", plain.wanted),
                pausedUntil = if (json.has("paused_until")) json.getLong("paused_until") else null,
                reach = Reach.entries.firstOrNull { it.code == json.optString("reach") } ?: plain.reach,
                default = AppSetting.of(json.optString("default")) ?: plain.default,
                capture = json.optBoolean("capture", plain.capture),
                apps = json.map("apps") { AppSetting.of(it) },
                hosts = json.objects("hosts").mapNotNull(::hostOverride),
                categories = json.map("categories") { Verdict.of(it) },
                listsOff = json.strings("lists_off").toSet(),
                bypass = Bypass.of(json.optString("refuse_bypass")) ?: plain.bypass,
                resolvers = json.strings("resolvers"),
                retentionDays = json.optInt("retention_days", plain.retentionDays),
                maxBytes = json.optLong("max_bytes", plain.maxBytes),
                hideValues = json.optBoolean("hide_values", plain.hideValues),
                appearance = Appearance.of(json.optString("appearance")),
                firstRunDone = json.optBoolean("first_run_done", plain.firstRunDone),
                dismissed = json.strings("dismissed").toSet(),
            )
        }
    }
}

enum class Appearance(
    val code: String,
) {
    SYSTEM("system"),
    LIGHT("light"),
    DARK("dark"),
    ;

    companion object {
        fun of(code: String) = entries.firstOrNull { it.code == code } ?: SYSTEM
    }
}

private fun HostOverride.json(): JSONObject =
    JSONObject()
        .put("host", host)
        .put("verdict", verdict.code)
        .putOpt("app", packageName)
        .putOpt("until", until)

private fun hostOverride(json: JSONObject): HostOverride? {
    val verdict = Verdict.of(json.optString("verdict")) ?: return null
    val app = if (json.has("app")) json.getString("app") else null
    val until = if (json.has("until")) json.getLong("until") else null
    return HostOverride(json.getString("host"), verdict, app, until)
}

private fun <T : Any> JSONObject.map(
    key: String,
    read: (String) -> T?,
): Map<String, T> {
    val from = optJSONObject(key) ?: return emptyMap()
    return from.keys().asSequence().mapNotNull { k -> read(from.getString(k))?.let { k to it } }.toMap()
}

private fun JSONObject.objects(key: String): List<JSONObject> =
    optJSONArray(key)?.let { a -> List(a.length()) { a.getJSONObject(it) } } ?: emptyList()

private fun JSONObject.strings(key: String): List<String> =
    optJSONArray(key)?.let { a -> List(a.length()) { a.getString(it) } } ?: emptyList()
