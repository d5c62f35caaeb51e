package app.muzzle.service

import app.muzzle.core.Reach
import app.muzzle.settings.AppSetting
import app.muzzle.settings.OwnerSettings

/** What the TUN is built for. Where it changes, a new TUN takes the old one's place. */
data class Plan(
    val reach: Reach = Reach.LIGHT,
    /** Apps outside the VPN; not used where [only] is there. */
    val except: Set<String> = emptySet(),
    /** The only apps inside the VPN; null for all but [except]. */
    val only: Set<String>? = null,
) {
    fun names(packageName: String) = packageName in except || only?.contains(packageName) == true
}

/**
 * Android takes a list of apps outside or one of apps inside, not both. Where no app is to be inside
 * there is no list of those either, as an empty one would mean all: the core then lets them pass.
 */
fun OwnerSettings.plan(): Plan {
    val (off, covered) = apps.entries.partition { it.value == AppSetting.OFF }
    val inside = covered.map { it.key }.toSet()
    return if (default == AppSetting.OFF && inside.isNotEmpty()) {
        Plan(reach, only = inside)
    } else {
        Plan(reach, except = off.map { it.key }.toSet())
    }
}
