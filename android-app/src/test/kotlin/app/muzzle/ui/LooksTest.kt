package app.muzzle.ui

import android.app.Activity
import android.content.Intent
import android.view.View
import app.muzzle.core.Filter
import org.junit.Assert.assertEquals
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment

/** Every screen that shows and decides: light, dark, with large letters, from right to left, on its side. */
class LooksTest : ScreenTest() {
    private val faults = mutableListOf<String>()

    @Test
    fun light() = look("light", PHONE)

    @Test
    fun dark() = look("dark", PHONE.replace("port", "port-night"))

    @Test
    fun largeLetters() {
        fontScale(2f)
        look("large", PHONE)
    }

    @Test
    fun fromRightToLeft() {
        look("rtl", "ar-rXB-ldrtl-$PHONE")
        val main = open<MainActivity>().get()
        assertEquals(View.LAYOUT_DIRECTION_RTL, main.window.decorView.layoutDirection)
    }

    @Test
    fun onItsSide() = look("land", "w891dp-h411dp-land-xhdpi")

    private fun look(
        name: String,
        qualifiers: String,
    ) {
        qualifiers(qualifiers)
        val main = open<MainActivity>().get()
        for ((page, tab) in listOf("home" to "Home", "apps" to "Apps", "timeline" to "Timeline", "hosts" to "Hosts")) {
            tap(main, tab)
            inspect(main, "$page-$name")
        }
        type(main, "miui.com")
        inspect(main, "rules-$name")
        val context = RuntimeEnvironment.getApplication()
        val event = graph.core.events(Filter(kind = "visited-page")).first()
        inspect(at(EventActivity.of(context, event.id)), "event-$name")
        inspect(at(HostActivity.of(context, "tracking.intl.miui.com")), "host-$name")
        val app = at(AppActivity.of(context, "com.miui.player"))
        inspect(app, "app-$name")
        tap(app, "Identifiers")
        inspect(app, "app-identifiers-$name")
        tap(app, "Something broke?")
        inspect(app, "app-stops-$name")
        inspect(open<IdentifiersActivity>().get(), "identifiers-$name")
        assertEquals(emptyList<String>(), faults)
    }

    private fun inspect(
        activity: Activity,
        name: String,
    ) {
        picture(activity, name)
        faults += accessFaults(activity).map { "$name: $it" }
    }

    private fun at(intent: Intent): Activity {
        val type = Class.forName(intent.component!!.className).asSubclass(Activity::class.java)
        return Robolectric.buildActivity(type, intent).setup().also { settle() }.get()
    }

    private companion object {
        const val PHONE = "w411dp-h891dp-port-xhdpi"
    }
}
