package app.muzzle.settings

import app.muzzle.core.Verdict

// What the screens change in the owner's settings.

fun OwnerSettings.withApps(
    packages: Collection<String>,
    setting: AppSetting,
): OwnerSettings = copy(apps = apps + packages.associateWith { setting })

/** What the owner said about a host that holds at [now], for an app or (null) for all. */
fun OwnerSettings.overrideOf(
    host: String,
    packageName: String?,
    now: Long,
): HostOverride? =
    hosts
        .filter { it.host == host && it.packageName == packageName && (it.until ?: Long.MAX_VALUE) > now }
        .maxByOrNull { if (it.until != null) 1 else 0 }

/**
 * Adds an override. One that ends stands beside the lasting one of the same host; a lasting one takes
 * the place of both. Those that have ended go.
 */
fun OwnerSettings.withHost(
    new: HostOverride,
    now: Long,
): OwnerSettings {
    val kept =
        hosts.filter {
            val same = it.host == new.host && it.packageName == new.packageName
            (it.until ?: Long.MAX_VALUE) > now && !(same && (new.until == null || it.until != null))
        }
    return copy(hosts = kept + new)
}

/** Leaves a host to the lists again. */
fun OwnerSettings.withoutHost(
    host: String,
    packageName: String?,
): OwnerSettings = copy(hosts = hosts.filter { it.host != host || it.packageName != packageName })

/** [verdict] for a host, null for what the lists say. */
fun OwnerSettings.withVerdict(
    host: String,
    packageName: String?,
    verdict: Verdict?,
    now: Long,
): OwnerSettings =
    if (verdict == null) withoutHost(host, packageName) else withHost(HostOverride(host, verdict, packageName), now)

fun OwnerSettings.withCategory(
    category: String,
    verdict: Verdict?,
): OwnerSettings = copy(categories = if (verdict == null) categories - category else categories + (category to verdict))

/** Whether a list counts. */
fun OwnerSettings.withList(
    name: String,
    on: Boolean,
): OwnerSettings = copy(listsOff = if (on) listsOff - name else listsOff + name)

/** Takes back what one tap on a screen changed. */
fun OwnerSettings.withChoicesOf(before: OwnerSettings): OwnerSettings =
    copy(
        apps = before.apps,
        hosts = before.hosts,
        categories = before.categories,
        listsOff = before.listsOff,
        bypass = before.bypass,
    )
