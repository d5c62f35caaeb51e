// Lets Android Studio open the project. The tests do not run this build: scripts/apk is the one that they check.
pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}
dependencyResolutionManagement {
    repositories {
        google()
        mavenCentral()
    }
}
rootProject.name = "muzzle"
include(":android-app")
