package app.muzzle.settings

import org.json.JSONArray
import org.json.JSONObject

/**
 * The owner's settings as the core's policy (docs/jni.md). [uids] gives the user ids of a package. An app
 * that only an override names is told too: the core knows apps by their user ids.
 */
fun OwnerSettings.policy(uids: (String) -> List<Int>): JSONObject =
    JSONObject()
        .put("v", 1)
        .put("default", default.code)
        .put("when_blocked", if (capture) "capture" else "refuse")
        .put("refuse_bypass", bypass.code)
        .putOpt("paused_until", pausedUntil)
        .put("categories", JSONObject(categories.mapValues { it.value.code }))
        .put("lists", JSONObject(listsOff.associateWith { "off" }))
        .put(
            "apps",
            JSONArray(
                (apps.keys + hosts.mapNotNull { it.packageName }).mapNotNull { name ->
                    uids(name).ifEmpty { null }?.let {
                        JSONObject().put("package", name).put("uid", JSONArray(it)).put("setting", settingOf(name).code)
                    }
                },
            ),
        ).put(
            "hosts",
            JSONArray(
                hosts.map {
                    JSONObject()
                        .put("host", it.host)
                        .put("verdict", it.verdict.code)
                        .putOpt("app", it.packageName)
                        .putOpt("until", it.until)
                },
            ),
        )
