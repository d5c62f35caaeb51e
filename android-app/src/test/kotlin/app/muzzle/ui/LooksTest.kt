package app.muzzle.ui

import android.app.Activity
import android.view.View
import android.widget.TextView
import android.widget.Toolbar
import org.junit.Assert.assertEquals
import org.junit.Test

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
        graph.protection.start()
        val main = open<MainActivity>().get()
        for ((page, tab) in listOf("home" to "Home", "apps" to "Apps", "timeline" to "Timeline", "hosts" to "Hosts")) {
            tap(main, tab)
            inspect(main, "$page-$name")
        }
        type(main, "miui.com")
        inspect(main, "rules-$name")
        for ((screen, intent) in everyScreen() - "main") {
            val activity = at(intent).get()
            inspect(activity, "$screen-$name")
            if (activity is AppActivity) inspectParts(activity, name)
            if (activity is FirstRunActivity) inspectLeaves(activity, name)
        }
        assertEquals(emptyList<String>(), faults)
    }

    private fun inspectParts(
        app: AppActivity,
        name: String,
    ) {
        tap(app, "Identifiers")
        inspect(app, "app-identifiers-$name")
        tap(app, "Something broke?")
        inspect(app, "app-stops-$name")
    }

    private fun inspectLeaves(
        first: FirstRunActivity,
        name: String,
    ) {
        for (leaf in 2..3) {
            tap(first, "Next")
            inspect(first, "first-$leaf-$name")
        }
    }

    private fun inspect(
        activity: Activity,
        name: String,
    ) {
        picture(activity, name)
        faults += accessFaultsThroughout(activity, ::settle).map { "$name: $it" }
        faults += onTheWrongSide(activity).map { "$name: begins on the wrong side: $it" }
    }

    /** Words that begin on the left where the screen begins on the right; titles are placed by their bar. */
    private fun onTheWrongSide(activity: Activity): List<String> =
        visible(activity.window.decorView)
            .filterIsInstance<TextView>()
            .filter { it.layoutDirection == View.LAYOUT_DIRECTION_RTL && it.text.isNotBlank() && it.layout != null }
            .filter { it.parent !is Toolbar && it.textAlignment != View.TEXT_ALIGNMENT_TEXT_START }
            .filter { it.layout.getLineLeft(0) < 1 && it.layout.width - it.layout.getLineRight(0) > 1 }
            .map { it.text.toString() }
            .toList()
}
