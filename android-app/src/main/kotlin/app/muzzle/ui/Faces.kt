package app.muzzle.ui

import android.graphics.drawable.Drawable
import android.util.LruCache
import android.widget.ImageView
import app.muzzle.R
import app.muzzle.apps.InstalledApps
import app.muzzle.core.EventRow
import java.util.concurrent.ConcurrentHashMap

/** Names and pictures of apps, as one screen needs them. */
class Faces(
    private val screen: ScreenActivity,
    private val apps: InstalledApps,
) {
    private val labels = ConcurrentHashMap<String, String>()
    private val icons = LruCache<String, Drawable>(KEPT_ICONS)

    /** Reads the names that are not known yet: not for the main thread. */
    fun learn(packages: Collection<String>) =
        packages.filterNot(labels::containsKey).forEach { labels[it] = apps.find(it)?.label ?: it }

    /** Reads the names of those who sent these events: not for the main thread. */
    fun learnFrom(rows: List<EventRow>) = learn(rows.flatMap { listOfNotNull(it.packageName, it.hint) }.distinct())

    /** The app's name, or its package where it is not installed any more. */
    fun label(packageName: String): String = labels[packageName] ?: packageName

    /** Who sent it, and for whom. */
    fun sender(row: EventRow): String {
        val own = row.packageName?.let(::label) ?: row.uid?.let { screen.getString(R.string.app_uid, it.toString()) }
        val sender = own ?: screen.getString(R.string.app_unknown)
        val other = row.hint?.takeIf { it != row.packageName } ?: return sender
        return screen.getString(R.string.app_for, sender, label(other))
    }

    /** Puts the app's icon in, now or when it was read. */
    fun icon(
        into: ImageView,
        packageName: String?,
    ) {
        into.tag = packageName
        val known = packageName?.let(icons::get)
        if (known != null) return into.setImageDrawable(known)
        into.setImageResource(R.drawable.ic_apps)
        if (packageName == null) return
        screen.load({ apps.icon(packageName) }, failed = {}) { icon ->
            if (icon != null) icons.put(packageName, icon)
            if (icon != null && into.tag == packageName) into.setImageDrawable(icon)
        }
    }

    private companion object {
        const val KEPT_ICONS = 64
    }
}
